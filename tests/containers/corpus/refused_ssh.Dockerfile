FROM localhost/tiny
RUN --mount=type=ssh echo x
