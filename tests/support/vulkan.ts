/**
 * @file A Vulkan driver in software, for webgpu in Node: browsers bring one along. Its loader is found by the path of libraries that a
 * process begins with, so the environment is set before the processes of the tests begin.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const FOLDERS = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/usr/share/vulkan/icd.d"];
const DRIVER = /^(vk_swiftshader_icd|lvp_icd.*)\.json$/;
const LOADER = "libvulkan.so.1";

/** Sets `VK_ICD_FILENAMES` and, where the loader lies beside the driver, `LD_LIBRARY_PATH`, unless a driver is set already. */
export function provideVulkan(): void {
  if (process.env["VK_ICD_FILENAMES"]) return;
  for (const folder of FOLDERS) {
    const driver = existsSync(folder) ? readdirSync(folder).find((name) => DRIVER.test(name)) : undefined;
    if (driver === undefined) continue;
    process.env["VK_ICD_FILENAMES"] = join(folder, driver);
    if (existsSync(join(folder, LOADER)))
      process.env["LD_LIBRARY_PATH"] = [process.env["LD_LIBRARY_PATH"], folder].filter(Boolean).join(":");
    return;
  }
}
