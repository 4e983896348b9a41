// Web and workers as services of their own, PostgreSQL, and the files in a bucket: for more than one machine can do.
// docs/deploy-railway.md says when; it takes the place of railway.ts.
import { bucket, defineRailway, github, postgres, preserve, project, service } from "railway/iac";

export default defineRailway((context) => {
  const database = postgres("database");
  const media = bucket("media");
  const source = github("OWNER/mediadl");
  const build = { builder: "DOCKERFILE", dockerfilePath: "Dockerfile" } as const;
  // The platform's default is 0: SIGTERM and SIGKILL together.
  const deploy = { restartPolicyType: "ON_FAILURE", restartPolicyMaxRetries: 10, drainingSeconds: 60 } as const;

  const env = {
    DATABASE_URL: database.env.DATABASE_URL,
    DRAIN_SECONDS: "50",
    PUBLIC_BASE_URL: "https://${{web.RAILWAY_PUBLIC_DOMAIN}}",
    // Shared variables of the environment: no disk is shared that could keep these.
    SECRET_KEY: context.shared.SECRET_KEY,
    COOKIE_KEYS: context.shared.COOKIE_KEYS,
    LINK_KEYS: context.shared.LINK_KEYS,
    WEBHOOK_KEYS: context.shared.WEBHOOK_KEYS,
    S3_BUCKET: "${{media.BUCKET}}",
    S3_ENDPOINT_URL: "${{media.ENDPOINT}}",
    S3_REGION: "${{media.REGION}}",
    S3_ACCESS_KEY_ID: "${{media.ACCESS_KEY_ID}}",
    S3_SECRET_ACCESS_KEY: "${{media.SECRET_ACCESS_KEY}}",
    S3_ADDRESSING_STYLE: "virtual",
  };

  const web = service("web", {
    source,
    build,
    deploy,
    // A start command takes the place of the image's entry point.
    start: "tini -- python manage.py up --only web",
    healthcheck: "/api/v1/health/live",
    healthcheckTimeout: 300,
    replicas: 2,
    env: { ...env, API_KEY: preserve(), WEB_WORKERS: "2" },
  });

  const worker = service("worker", {
    source,
    build,
    deploy,
    start: "tini -- python manage.py up --only worker",
    replicas: 2,
    env,
  });

  return project("mediadl", { resources: [database, media, web, worker] });
});
