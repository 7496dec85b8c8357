FROM localhost/tiny
COPY . /all
COPY src /src
COPY docs docs
