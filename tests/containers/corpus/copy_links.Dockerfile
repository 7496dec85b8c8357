FROM localhost/tiny
COPY src /src
COPY link_to_a /plain
COPY link_to_a /into/
COPY link_to_docs /docs
