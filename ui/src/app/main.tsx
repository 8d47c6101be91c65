import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { startTheme } from "../base/theme.ts";
import { queryClient, router } from "./router.tsx";
import "../base/tokens.css";
import "../base/base.css";
import "./shell.css";

startTheme();
const host = document.getElementById("app");
if (host === null) throw new Error("start the page: index.html has no #app");
createRoot(host).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
