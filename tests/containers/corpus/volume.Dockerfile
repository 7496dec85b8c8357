FROM localhost/tiny
RUN mkdir /data && echo kept > /data/file
VOLUME ["/data"]
VOLUME /other /third
