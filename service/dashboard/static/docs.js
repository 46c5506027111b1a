// The API's operations, to read and to try: Swagger UI over our own OpenAPI document.
// Every address is relative to this page, which may stand behind a proxy that adds a prefix.

const spec = await (await fetch("openapi.json")).json();
spec.servers = [{ url: new URL(".", location.href).pathname }];
window.SwaggerUIBundle({
  spec,
  dom_id: "#operations",
  deepLinking: true,
  validatorUrl: null, // it would send the document to swagger.io
});
