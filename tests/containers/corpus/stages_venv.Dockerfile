# in the manner of an application that is built in a virtual environment and copied to a small image
ARG BASE=localhost/tiny
FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.txt .
RUN mkdir -p /opt/venv/bin /opt/venv/lib64 && ln -s lib64 /opt/venv/lib \
 && ln -s /bin/sh /opt/venv/bin/python && cp requirements.txt /opt/venv/lib64/
FROM ${BASE} AS runtime
COPY --from=build /opt/venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH" PYTHONUNBUFFERED=1
WORKDIR /app
COPY src/ .
USER app
EXPOSE 8080
ENTRYPOINT ["python", "-c"]
CMD ["echo started"]
