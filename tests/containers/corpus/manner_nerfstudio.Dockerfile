ARG BASE=localhost/tiny
ARG CUDA_ARCHITECTURES="90;89;86;80;75;70"
FROM ${BASE} AS builder
ARG CUDA_ARCHITECTURES
ENV DEBIAN_FRONTEND=noninteractive
ENV TCNN_CUDA_ARCHITECTURES=${CUDA_ARCHITECTURES}
SHELL ["/bin/ash", "-o", "pipefail", "-c"]
RUN mkdir -p /build && \
    export TORCH_CUDA_ARCH_LIST="$(echo "$CUDA_ARCHITECTURES" | tr ';' '\n' | awk '$0 > 70 {print substr($0,1,1)"."substr($0,2)}' | tr '\n' ' ' | sed 's/ $//')" && \
    echo "$TORCH_CUDA_ARCH_LIST" > /build/archs && \
    echo "$TCNN_CUDA_ARCHITECTURES" >> /build/archs
COPY requirements.txt /build/
FROM ${BASE} AS runtime
ARG CUDA_ARCHITECTURES
LABEL org.opencontainers.image.source="https://example.org/x" org.opencontainers.image.licenses=MIT
ENV LD_LIBRARY_PATH="/usr/local/lib:${LD_LIBRARY_PATH}"
COPY --from=builder /build /opt/build
COPY src /app
RUN echo "user:x:1001:1001::/home/user:/bin/sh" >> /etc/passwd && mkdir -p /workspace && chown user /workspace
USER 1001
WORKDIR /workspace
CMD /bin/sh -c 'cat /opt/build/archs'
