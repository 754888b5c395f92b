"""The live page: a run as a browser, Prometheus and a health check see it. Needs the extra `web`.

What a run tells is noted on a `Board`, on the run's own thread and without waiting for anybody; a
server on a thread of its own reads it there. Whoever looks, and however slowly, the run goes on.
"""

from streamvpr.web.opening import open_page

__all__ = ["open_page"]
