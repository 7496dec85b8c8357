FROM localhost/tiny
RUN --mount=type=secret,id=token cat /run/secrets/token
