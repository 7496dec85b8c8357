FROM localhost/tiny
RUN --security=insecure true
