FROM localhost/tiny
SHELL ["/bin/ash", "-o", "pipefail", "-c"]
RUN false | true || echo caught > /caught
SHELL ["/bin/sh", "-ec"]
RUN (false; true) || true; echo "$-" > /flags
SHELL ["/bin/sh", "-c"]
RUN false | true && echo default > /default
