FROM localhost/tiny
RUN cat > /stdin
RUN id -u > /id; echo $HOME >> /id; umask >> /id
