/** The API's reference at `/docs`: Swagger UI over the gateway's own schema, signed in as the browser is. */

import "swagger-ui-dist/swagger-ui.css";

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";

SwaggerUI({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  validatorUrl: null,
  // What a page of ours asks says so: the gateway takes no change from another one's.
  requestInterceptor: (request) => {
    request.headers["X-Requested-With"] = "niftyflow";
    return request;
  },
});
