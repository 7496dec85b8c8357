FROM localhost/tiny
COPY rootfs /
COPY rootfs/etc/ /etc/
RUN stat -c %a /etc > /stat
