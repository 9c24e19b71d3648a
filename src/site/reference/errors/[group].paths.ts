import { errorPages } from "../pages.ts";

export default { paths: errorPages };
