FROM localhost/tiny
RUN mkdir /mine && chown app /mine
USER app
RUN id > /mine/id; echo $HOME >> /mine/id; umask >> /mine/id; touch /nope 2>/dev/null || echo denied >> /mine/id
WORKDIR /mine/work
COPY a.txt /mine/a.txt
USER 1000:1000
RUN id > /tmp/id
USER nobody
RUN id -u > /tmp/nobody
USER root
RUN stat -c '%U %a' /mine/id /mine/work /mine/a.txt > /stat
USER 0:0
RUN id -u >> /stat
CMD ["cat", "/mine/id"]
