FROM localhost/tiny
ARG NB_USER="jovyan"
ARG NB_UID="1000"
ARG NB_GID="100"
ENV NB_USER="${NB_USER}" NB_UID=${NB_UID} NB_GID=${NB_GID}
COPY --chmod=755 run.sh /usr/local/bin/fix-permissions
USER root
RUN sed -i "s/^app:x:1000.*/${NB_USER}:x:${NB_UID}:${NB_GID}::\/home\/${NB_USER}:\/bin\/sh/" /etc/passwd && \
    mkdir -p "/home/${NB_USER}/work" && chown -R "${NB_UID}:${NB_GID}" "/home/${NB_USER}"
USER ${NB_UID}
WORKDIR "/home/${NB_USER}/work"
RUN id -u > ./id && fix-permissions "/home/${NB_USER}" > log
USER root
ENTRYPOINT ["/usr/local/bin/fix-permissions"]
CMD ["start"]
