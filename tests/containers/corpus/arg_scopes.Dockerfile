ARG NAME=tiny
ARG VERSION=3
ARG FULL=localhost/${NAME}
FROM ${FULL} AS first
RUN echo "${VERSION-none}" > /version
ARG VERSION
RUN echo "${VERSION-none}" >> /version
ARG VERSION=4
RUN echo "${VERSION-none}" >> /version
FROM ${FULL:-nothing}
COPY --from=first /version /version
RUN echo "${VERSION-none}" >> /version
