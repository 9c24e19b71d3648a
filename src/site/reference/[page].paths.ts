import { singlePages } from "./pages.ts";

export default { paths: singlePages };
