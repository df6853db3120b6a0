// The API by its OpenAPI document, shown by Swagger UI.
declare const SwaggerUIBundle: (options: object) => void;

SwaggerUIBundle({ url: "./openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
