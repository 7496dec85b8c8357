FROM localhost/tiny
SHELL ["/bin/ash", "-c"]
CMD false; echo reached
