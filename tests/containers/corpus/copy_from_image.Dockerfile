FROM localhost/tiny
COPY --from=localhost/tiny /etc/passwd /etc/group /copied/
