FROM localhost/tiny
RUN ['sh'] ; true
RUN [ -f /etc/passwd ] && echo test > /tested
CMD ['echo', 'x']
