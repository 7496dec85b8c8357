FROM localhost/tiny
COPY --exclude=**/*.txt docs /docs
COPY --exclude=**/__pycache__ --exclude=**/data src /src
COPY --parents src/main.py docs/deep /kept/
