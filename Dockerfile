# streamvpr on the CPU, x86-64 and arm64:
#   docker build -t streamvpr .
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data" streamvpr run flight.mp4
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data" -p 8080:8080 -e STREAMVPR_TOKEN \
#     streamvpr run door=rtsp://camera.lan/stream1 --serve 0.0.0.0:8080
# It runs as user 1000 and writes to /data, and to /tmp; for files of another owner:
# --user "$(id -u):$(id -g)".
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY streamvpr streamvpr
COPY models models
RUN python -m venv /opt/streamvpr \
    && /opt/streamvpr/bin/pip install --no-cache-dir '.[cpu,camera,web,mqtt]'

FROM python:3.12-slim
RUN useradd --uid 1000 --no-create-home --home-dir /data streamvpr \
    && install -d -o streamvpr -g streamvpr /data
COPY --from=build /opt/streamvpr /opt/streamvpr
COPY scripts/health /usr/local/bin/streamvpr-health
ENV PATH=/opt/streamvpr/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib
USER streamvpr
WORKDIR /data
# Asks the live page, where there is one at port 8080: no model is loaded for it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=1m CMD ["streamvpr-health"]
ENTRYPOINT ["streamvpr"]
CMD ["--help"]
