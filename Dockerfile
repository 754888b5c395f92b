# streamvpr on the CPU:
#   docker build -t streamvpr .
#   docker run --rm -v "$PWD:/data" streamvpr run flight.mp4
#   docker run --rm -v "$PWD:/data" -p 8080:8080 -e STREAMVPR_TOKEN streamvpr run door=rtsp://... --serve 0.0.0.0:8080
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY streamvpr streamvpr
COPY models models
RUN python -m venv /opt/streamvpr && /opt/streamvpr/bin/pip install --no-cache-dir '.[cpu,camera,web,mqtt]'

FROM python:3.12-slim
# Not root: what it writes into a mounted folder belongs to an ordinary user.
RUN useradd --create-home --uid 1000 streamvpr && install -d -o streamvpr -g streamvpr /data
COPY --from=build /opt/streamvpr /opt/streamvpr
ENV PATH=/opt/streamvpr/bin:$PATH PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib
USER streamvpr
WORKDIR /data
HEALTHCHECK --interval=5m --timeout=60s CMD ["streamvpr", "doctor"]
ENTRYPOINT ["streamvpr"]
CMD ["--help"]
