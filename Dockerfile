# nmflowgan on the CPU, with its weights inside:
#   docker build -t nmflowgan .
#   docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" nmflowgan synthesize clean --camera IP --iso 800 -o noisy
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
# /tmp can be written by any user, also by one that --user names and the image does not know.
ENV NMFLOWGAN_CACHE=/tmp/nmflowgan
COPY constraints.txt /tmp/constraints.txt
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt --index-url https://download.pytorch.org/whl/cpu torch
RUN --mount=from=build,source=/wheels,target=/wheels pip install --no-cache-dir /wheels/*.whl
RUN useradd --create-home nmflowgan
USER nmflowgan
RUN nmflowgan doctor --device cpu && rm -r /tmp/nmflowgan
WORKDIR /data
ENTRYPOINT ["nmflowgan"]
