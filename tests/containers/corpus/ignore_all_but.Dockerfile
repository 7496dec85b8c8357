FROM localhost/tiny
COPY . /all
