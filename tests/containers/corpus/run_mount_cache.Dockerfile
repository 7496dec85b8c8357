FROM localhost/tiny
RUN mkdir /cache && echo kept > /cache/kept
RUN --mount=type=cache,target=/cache test -e /cache/kept || echo covered > /seen; echo new > /cache/new
RUN --mount=type=cache,target=/fresh/deep,sharing=locked echo x > /fresh/deep/x
RUN --mount=type=tmpfs,target=/scratch echo x > /scratch/x && cat /scratch/x > /made
