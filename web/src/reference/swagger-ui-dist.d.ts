/** What of Swagger UI is used here; the package has no types of its own. */

declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface Asked {
    headers: Record<string, string>;
  }

  interface Options {
    url: string;
    dom_id: string;
    deepLinking?: boolean;
    displayRequestDuration?: boolean;
    filter?: boolean;
    validatorUrl?: null;
    requestInterceptor?: (request: Asked) => Asked;
  }

  export default function SwaggerUI(options: Options): unknown;
}
