"""Scrapy's media pipelines on every URL of a file: `files` stores them, `images` decodes and stores JPEGs."""

import sys
from pathlib import Path

from scrapy import Spider
from scrapy.crawler import CrawlerProcess


class Listed(Spider):
    """Yields one item with all the URLs."""

    name = "listed"
    start_urls = ("data:,",)

    def parse(self, _response):
        for url in Path(sys.argv[1]).read_text().split():
            yield {f"{sys.argv[4][:-1]}_urls": [url]}


kind = {"files": "FilesPipeline", "images": "ImagesPipeline"}[sys.argv[4]]
process = CrawlerProcess(
    {
        "ITEM_PIPELINES": {f"scrapy.pipelines.{sys.argv[4]}.{kind}": 1},
        f"{sys.argv[4].upper()}_STORE": sys.argv[2],
        "CONCURRENT_REQUESTS": int(sys.argv[3]),
        "CONCURRENT_REQUESTS_PER_DOMAIN": int(sys.argv[3]),
        "CONCURRENT_ITEMS": int(sys.argv[3]),
        "DOWNLOAD_DELAY": 0,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
    }
)
process.crawl(Listed)
process.start()
