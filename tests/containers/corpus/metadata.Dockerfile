FROM localhost/tiny
MAINTAINER somebody <a@b.example>
LABEL one=1 two="2 words" "three key"=3
LABEL multi="line \
continued"
EXPOSE 80 443/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5m --timeout=3s CMD test -f /never || exit 1
HEALTHCHECK NONE
RUN echo still built > /built
