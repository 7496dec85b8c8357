FROM localhost/tiny
# build tools, then sources, then a compiled program
ARG DEBIAN_FRONTEND=noninteractive
RUN mkdir -p /usr/local/cuda/lib64/stubs && touch /usr/local/cuda/lib64/stubs/libcuda.so \
    # needed to link without a device
    && ln -s /usr/local/cuda/lib64/stubs/libcuda.so /usr/local/cuda/lib64/stubs/libcuda.so.1
ENV PATH="/usr/local/cuda/bin:${PATH}"
ENV LIBRARY_PATH=/usr/local/cuda/lib64/stubs${LIBRARY_PATH:+:$LIBRARY_PATH}
RUN --mount=type=cache,target=/root/.ccache echo cached > /root/.ccache/x
WORKDIR /volume
COPY src/ /volume/src
RUN <<EOF
set -eux
mkdir build
for name in src/*; do echo "$name" >> build/list; done
EOF
CMD ["cat", "build/list"]
