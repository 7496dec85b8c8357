FROM localhost/tiny AS one
RUN mkdir /dist && touch /dist/a.whl /dist/b.whl /dist/c.txt
FROM localhost/tiny
COPY --from=one /dist/*.whl /wheels/
