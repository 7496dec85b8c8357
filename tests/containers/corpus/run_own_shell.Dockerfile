FROM localhost/tiny
RUN cd /tmp && X=1 && export Y=2
RUN pwd > /where && echo "${X-unset} ${Y-unset}" >> /where
RUN umask 077; touch /private
RUN touch /public
RUN set +e; false; true
RUN mkdir -p /deep/er; cd /deep; exec true
