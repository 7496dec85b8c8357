FROM localhost/tiny
ADD https://example.org/a/b.git /src
