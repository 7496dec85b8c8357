FROM localhost/tiny
WORKDIR /app
COPY a.txt .
COPY a.txt b2.txt
COPY . .
WORKDIR sub
COPY b.txt ./
COPY b.txt ../up.txt
WORKDIR ../other//x/.
RUN pwd > /where
COPY src/main.py main/
