# syntax=docker/dockerfile:1
# One static program on an empty image: no shell, no package manager, no root.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
# With .git, so that `allclear version` names the commit.
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -tags static -ldflags='-s -w' -o /out/allclear ./cmd/allclear && mkdir /out/state

FROM scratch
# Relays are verified with these.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/allclear /usr/bin/allclear
# A named volume takes over this owner.
COPY --from=build --chown=65532:65532 --chmod=700 /out/state /var/lib/allclear
ENV PATH=/usr/bin \
    ALLCLEAR_LISTEN=:8080 \
    ALLCLEAR_DATABASE=/var/lib/allclear/allclear.db \
    ALLCLEAR_STATE=/var/lib/allclear
USER 65532:65532
WORKDIR /var/lib/allclear
VOLUME /var/lib/allclear
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --start-interval=1s CMD ["allclear", "healthcheck"]
ENTRYPOINT ["allclear"]
CMD ["serve"]
