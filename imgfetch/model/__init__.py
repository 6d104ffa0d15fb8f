"""The values that the packages exchange: frozen, without behaviour beyond derived properties."""
