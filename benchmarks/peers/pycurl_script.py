"""A bare pycurl script: every URL of a file into a folder over one multi handle, nothing verified."""

import sys
from pathlib import Path

import pycurl


def main(listing: str, folder: str, at_once: int) -> None:
    waiting = list(enumerate(Path(listing).read_text().split()))[::-1]
    multi = pycurl.CurlMulti()
    free = [pycurl.Curl() for _ in range(at_once)]
    under_way = 0
    while waiting or under_way:
        while waiting and free:
            number, url = waiting.pop()
            handle = free.pop()
            handle.file = (Path(folder) / f"{number}.webp").open("wb")
            handle.setopt(pycurl.URL, url)
            handle.setopt(pycurl.FAILONERROR, True)
            handle.setopt(pycurl.WRITEDATA, handle.file)
            multi.add_handle(handle)
            under_way += 1
        while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        more = True
        while more:
            more, done, failed = multi.info_read()
            for handle in (*done, *(entry[0] for entry in failed)):
                handle.file.close()
                multi.remove_handle(handle)
                free.append(handle)
                under_way -= 1
            if failed:
                raise SystemExit(failed[0][2])
        multi.select(1.0)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
