# syntax=docker/dockerfile:1
# Two stages: the first builds a wheel and installs it, the second holds Python, the program and nothing to build with.
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt hatch_build.py README.md ./
COPY protos protos
COPY src src
COPY rules rules
RUN python -m venv /opt/tidings \
 && /opt/tidings/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.13-slim
# Everything that is written lies under /var/lib/tidings, so the root may be read-only (docker run --read-only).
RUN useradd --system --uid 10001 --home-dir /var/lib/tidings --create-home --shell /usr/sbin/nologin tidings
COPY --from=build /opt/tidings /opt/tidings
ENV PATH=/opt/tidings/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TIDINGS_STORE=sqlite:////var/lib/tidings/tidings.db \
    TIDINGS_RULES=/etc/tidings/rules \
    TIDINGS_LOG__FORM=json
USER tidings
WORKDIR /var/lib/tidings
VOLUME /var/lib/tidings
EXPOSE 50051 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["tidings", "ready", "--to", "127.0.0.1:8080"]
ENTRYPOINT ["tidings"]
CMD ["serve"]
