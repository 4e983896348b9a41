// One service with a volume: web, workers and guard in one container, SQLite and the files on the volume.
// docs/deploy-railway.md walks through it.
import { defineRailway, github, preserve, project, service, volume } from "railway/iac";

export default defineRailway(() => {
  const data = volume("data", { sizeMB: 5000 });

  const mediadl = service("mediadl", {
    source: github("OWNER/mediadl"),
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile" },
    healthcheck: "/api/v1/health/live",
    healthcheckTimeout: 300,
    volumeMounts: { "/app/data": data },
    deploy: {
      restartPolicyType: "ON_FAILURE",
      restartPolicyMaxRetries: 10,
      // The platform's default is 0: SIGTERM and SIGKILL together.
      drainingSeconds: 60,
    },
    env: {
      API_KEY: preserve(),
      DRAIN_SECONDS: "50",
      // The volume is mounted for root, and the image runs as another user.
      RAILWAY_RUN_UID: "0",
    },
  });

  return project("mediadl", { resources: [data, mediadl] });
});
