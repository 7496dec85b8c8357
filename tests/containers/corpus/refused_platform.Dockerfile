FROM --platform=linux/arm64 localhost/tiny
