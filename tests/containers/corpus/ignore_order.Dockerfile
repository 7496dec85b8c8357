FROM localhost/tiny
COPY docs /docs
COPY *.txt /txt/
