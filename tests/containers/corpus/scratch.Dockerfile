FROM localhost/tiny AS build
RUN mkdir -p /out/bin && cp /bin/busybox /out/bin/ && ln -s busybox /out/bin/sh && ln -s busybox /out/bin/env && ln -s busybox /out/bin/echo && ln -s busybox /out/bin/cat
FROM scratch
COPY --from=build /out/bin /bin
COPY --from=build --chmod=640 /etc/passwd /etc/
COPY a.txt /data/
COPY src /src
COPY --chmod=700 run.sh /opt/
WORKDIR /work/deep
ENV PATH=/bin A="a b"
LABEL x=y
CMD ["cat", "/data/a.txt"]
