FROM localhost/tiny AS base
ENV A=1
ARG SEEN=arg
WORKDIR /base
USER app
SHELL ["/bin/ash", "-e", "-c"]
CMD ["echo", "base"]
LABEL from=base
FROM base AS middle
RUN echo "$A ${SEEN-none} $PWD" > /tmp/middle
FROM middle
RUN cat /tmp/middle > /tmp/end
