/**
 * @file A Vulkan driver in software, for webgpu in Node: browsers bring one along. Its loader is found by the path of libraries that a
 * process begins with, so the environment is set before the processes of the tests begin.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

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

/** Vendor and device that the driver of Chromium calls itself, and the vendor NVIDIA: little-endian words. */
const [OWN, NVIDIA] = [Buffer.from([0xe0, 0x1a, 0, 0, 0xde, 0xc0, 0, 0]), Buffer.from([0xde, 0x10, 0, 0])];

/**
 * A copy of the driver, in this folder, that says it is NVIDIA's; its description's path, or undefined where the driver is another one.
 *
 * ONNX Runtime 1.30's attention over 32 places or more has two shaders. The one for any vendor takes at least 8 keys at a time, one from
 * each lane of a subgroup; the driver's subgroups have 4 lanes, so that half of the keys are undefined. The one for vendors whose shared
 * memory is quick reads no other lane, and is right here too.
 */
export function nvidiasVulkan(folder: string): string | undefined {
  const description = process.env["VK_ICD_FILENAMES"];
  if (!description || !existsSync(description)) return undefined;
  const { ICD, ...others } = JSON.parse(readFileSync(description, "utf8")) as { ICD: { library_path: string } };
  const library = readFileSync(resolve(dirname(description), ICD.library_path));
  const at: number[] = [];
  for (let i = library.indexOf(OWN); i >= 0; i = library.indexOf(OWN, i + 1)) at.push(i);
  if (at.length === 0) return undefined;
  for (const i of at) NVIDIA.copy(library, i);
  const [file, made] = [join(folder, "driver.so"), join(folder, "driver.json")];
  writeFileSync(file, library);
  writeFileSync(made, JSON.stringify({ ...others, ICD: { ...ICD, library_path: file } }));
  return made;
}
