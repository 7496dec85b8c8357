FROM localhost/tiny
ENV with-dash=1
