import { libraryPages } from "../pages.ts";

export default { paths: libraryPages };
