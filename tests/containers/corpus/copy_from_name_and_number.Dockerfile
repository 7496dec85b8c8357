FROM localhost/tiny AS one
RUN mkdir -p /out/sub && echo 1 > /out/file && ln -s file /out/link && ln -s /nowhere /out/dangling && echo x > /out/sub/x && chmod 750 /out/sub && chmod 4711 /out/file
FROM localhost/tiny
RUN echo 2 > /two
FROM localhost/tiny
COPY --from=0 /out /copied
COPY --from=1 two /named
COPY --from=one /out/file /out/link /files/
COPY --from=one /out/sub/ /merged/deep
