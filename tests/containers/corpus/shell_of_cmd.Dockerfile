FROM localhost/tiny
SHELL ["/bin/ash", "-e", "-c"]
CMD false; echo not reached
